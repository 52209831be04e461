# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from hypothesis import settings

# Whether something is right does not hang on how busy the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
