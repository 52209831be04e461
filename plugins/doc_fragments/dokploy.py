# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Options, attributes and notes that all Dokploy modules share."""

    # Beside it, all but the one that makes a key take this.
    DOCUMENTATION = r"""
options:
  api_key:
    description:
      - An API key of the server's owner.
      - Make it with rate limiting off. A key with Dokploy's defaults is refused after about five calls a day.
      - Environment variable E(DOKPLOY_API_KEY) is used where it is not set.
    type: str
    required: true
notes:
  - All modules of the group C(group/sluice.deploy.dokploy) take O(url) and O(api_key) from module_defaults.
attributes:
  check_mode:
    description: Predicts what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows what changes, values of the environment hidden.
    support: full
  idempotent:
    description: A second run with the same options changes nothing and sends no change to the server.
    support: full
"""

    SERVER = r"""
options:
  url:
    description:
      - Address of the Dokploy server, such as V(https://dokploy.example.com), without C(/api).
      - Environment variable E(DOKPLOY_URL) is used where it is not set.
    type: str
    required: true
  timeout:
    description: Seconds to wait for the answer of one request.
    type: float
    default: 30
  validate_certs:
    description: Whether the server's certificate must be valid. Switch it off for test servers only.
    type: bool
    default: true
  ca_path:
    description: File with the certificates of the authority that signed the server's, in PEM form.
    type: path
notes:
  - Runs where it is delegated to, usually the controller, and needs the Python package requests there.
  - Queries are repeated when the server is briefly away, changes never, since nothing on a server is unique.
seealso:
  - name: Dokploy API
    description: The server's own description of its API.
    link: https://docs.dokploy.com/docs/api
"""

    PLACE = r"""
options:
  project:
    description: Name of the project.
    type: str
  environment:
    description: Name of the environment in O(project).
    type: str
    default: production
"""

    REMOVAL = r"""
options:
  state:
    description: Whether it is to exist. V(absent) removes the containers of its Compose services too.
    type: str
    choices: [present, absent]
    default: present
  delete_volumes:
    description: With O(state=absent), whether the volumes of its Compose services are deleted as well.
    type: bool
    default: false
"""

    STATE = r"""
options:
  state:
    description: Whether it is to exist.
    type: str
    choices: [present, absent]
    default: present
"""

    SERVICE = r"""
options:
  compose_id:
    description:
      - Id of the service, as M(sluice.deploy.dokploy_compose) returns it.
      - May be empty in check mode, where the service does not exist yet.
    type: str
    required: true
"""
