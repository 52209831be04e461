#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: image_size_gate
short_description: Fails for container images that are too large, and says why they are
version_added: 0.1.0
author: The sluice.deploy maintainers (@sluice)
description:
  - Holds container images against limits for size, growth, number of layers and wasted bytes, and looks into them for
    what makes them large, for secrets by name, and for a root user.
  - The size on the basis V(unpacked) is the sum of the files of all layers, as C(docker image inspect) shows it with
    the classic image store. It is counted from the files themselves where the engine counts otherwise (containerd image
    store), and from registries and archives, as an engine with the classic store counts an image that it pulled.
  - In layers that it built itself, an engine with the classic store leaves out the targets of symbolic links. Its own
    figure stands then, which is smaller by the length of those targets, some kilobytes for a Debian system.
  - Files are looked at as a stream. Nothing is unpacked to disk, and memory stays below 100 MB whatever the image.
  - A size that equals its limit passes.
extends_documentation_fragment:
  - sluice.deploy.reading
options:
  images:
    description:
      - Images to judge, each a reference, an id or a digest.
      - An entry may be a dictionary with the key C(image), and any of C(name) (what results call it), C(max_size),
        C(max_growth), C(max_layers), C(max_wasted) and C(reference), which take the place of the module's options.
    type: list
    elements: raw
  project:
    description: Judge the images of this Compose project, one for each service.
    type: str
  archive:
    description: Judge the images in this file, written by C(docker save) or an OCI layout as tar, compressed or not.
    type: path
  source:
    description:
      - Where O(images) are looked for.
      - V(registry) asks the registry before anything is pulled. With O(basis=compressed) manifests are enough; else
        the layers are streamed through the gate and not kept.
    type: str
    choices: [engine, registry]
    default: engine
  platform:
    description:
      - The platform to judge of an image for several, such as V(linux/arm64), or V(all).
      - Empty means the engine's own, the machine's own with O(source=registry), and every one with O(archive).
    type: str
    default: ""
  basis:
    description:
      - V(unpacked) counts the bytes of the files, which is what an image takes on disk.
      - V(compressed) counts the bytes of the layers as they travel. An engine with the classic store does not know
        them.
    type: str
    choices: [unpacked, compressed]
    default: unpacked
  max_size:
    description: The largest size that passes, in bytes or with a unit, such as V(500MB) or V(1.5GiB).
    type: str
  max_growth:
    description: How much larger than the reference an image may be, as a size or a percentage of the reference.
    type: str
  reference:
    description: The image that growth is measured from.
    type: str
  reference_project:
    description:
      - Measure growth from what this Compose project runs now, namely the image of the same repository.
      - When nothing of the repository runs there, the check for growth is skipped and says so.
    type: str
  max_layers:
    description: The largest number of layers that passes.
    type: int
  max_wasted:
    description:
      - How many bytes later layers may overwrite or delete, as a size or a percentage of the image.
    type: str
  analysis:
    description:
      - Whether to look at the files of an image. Its size alone is known in milliseconds.
      - V(on_fail) looks only at images that fail a check, to say why.
      - O(max_wasted) needs the files and looks at them in any case.
    type: str
    choices: [always, on_fail, never]
    default: always
  fail_on:
    description: The checks that fail the task; the others warn.
    type: list
    elements: str
    choices: [size, growth, layers, wasted, secrets, root]
    default: [size, growth, layers, wasted, secrets]
  top:
    description: How many files, directories and duplicates to list.
    type: int
    default: 10
  docker_host:
    description: Where the engine answers, such as V(unix:///var/run/docker.sock), V(tcp://host:2376) or V(ssh://host).
    type: str
    default: unix:///var/run/docker.sock
  tls:
    description: Speak TLS to O(docker_host).
    type: bool
    default: false
  ca_path:
    description: A file of CA certificates to check the engine or the registry against.
    type: path
  client_cert:
    description: The client's certificate for O(docker_host).
    type: path
  client_key:
    description: The key of O(client_cert).
    type: path
  validate_certs:
    description: Whether to check the certificate of the engine or the registry.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for each answer of the engine or the registry.
    type: int
    default: 60
  registry_host:
    description:
      - The registry that O(registry_username) is for, such as V(registry.example.com) or V(docker.io). No other is ever
        told the login.
      - May be left out when all images and references lie in one registry.
    type: str
  registry_username:
    description:
      - The login for the registry. Where it is left out, the logins of the user's Docker count, as C(docker login) or
        M(sluice.deploy.docker_registry_logins) left them.
    type: str
  registry_password:
    description: The password or token of O(registry_username).
    type: str
  registry_plain_http:
    description: Speak HTTP without TLS to the registry, for one on the same machine.
    type: bool
    default: false
requirements:
  - Docker SDK for Python (python3-docker) for an engine, requests (python3-requests) for a registry, where the module
    runs; an archive needs neither
  - paramiko (python3-paramiko) for an engine behind ssh
  - The program zstd for layers that are compressed with it
notes:
  - O(docker_host), O(tls) and the certificates default to the environment variables E(DOCKER_HOST),
    E(DOCKER_TLS_VERIFY) and E(DOCKER_CERT_PATH), as with the docker command.
"""

EXAMPLES = r"""
- name: The images are small enough
  sluice.deploy.image_size_gate:
    images:
      - registry.example.com/crm/server:2.4.0
      - image: registry.example.com/crm/front:2.4.0
        name: front
        max_size: 120MB
    max_size: 500MB
    max_wasted: 5%

- name: No release is a tenth larger than the one that runs
  sluice.deploy.image_size_gate:
    images: [registry.example.com/crm/server:2.5.0]
    max_growth: 10%
    reference_project: crm-blue
    analysis: on_fail

- name: The download is small enough, before it is pulled
  sluice.deploy.image_size_gate:
    images: [registry.example.com/crm/server:2.5.0]
    source: registry
    platform: all
    basis: compressed
    analysis: never
    max_size: 200MB

- name: What a build left on disk is small enough
  sluice.deploy.image_size_gate:
    archive: build/server.tar
    max_size: 500MB
  delegate_to: localhost
"""

RETURN = r"""
status:
  description: The gravest status among the results, V(pass), V(warn), V(fail) or V(skip).
  type: str
  returned: always
results:
  description: One result for each check of each image, in the form that all gates share.
  type: list
  elements: dict
  returned: always
  contains:
    id: {description: "The check and the image, such as C(image_size.server).", type: str}
    title: {description: What was checked., type: str}
    status: {description: "V(pass), V(warn), V(fail) or V(skip).", type: str}
    measured: {description: What was measured., type: raw}
    limit: {description: What it was held against., type: raw}
    evidence: {description: What the status rests on., type: list, elements: str}
    advice: {description: "What to do, most useful first.", type: list, elements: str}
images:
  description: What is known of each image. Layers are counted from 1, the lowest.
  type: list
  elements: dict
  returned: always
  contains:
    name: {description: What results call the image., type: str}
    image: {description: The image as it was asked for., type: str}
    id: {description: The image's digest., type: str}
    tags: {description: The names that the source knows it by., type: list, elements: str}
    platform: {description: Operating system and architecture., type: str}
    basis: {description: "What the size counts, V(unpacked) or V(compressed).", type: str}
    size: {description: Bytes on that basis., type: int}
    size_unpacked: {description: "Bytes of all files, where known.", type: int}
    size_compressed: {description: "Bytes of all layers as they travel, where known.", type: int}
    limit: {description: "O(max_size) in bytes, if set.", type: int}
    reference: {description: "What growth was measured from, if it was.", type: str}
    reference_size: {description: The size of the reference on the same basis., type: int}
    layers:
      description: "The layers, lowest first; with C(limit) all that a bar of the image needs."
      type: list
      elements: dict
      contains:
        layer: {description: Its number., type: int}
        size: {description: "Bytes of its files, where known.", type: int}
        compressed: {description: "Bytes as it travels, where known.", type: int}
        files: {description: "How many files it holds, when analysed.", type: int}
        wasted: {description: "Bytes that later layers overwrite or delete, when analysed.", type: int}
        instruction: {description: "What made it, with the values of secrets masked.", type: str}
    secrets:
      description: Secrets in the image's configuration and history, by name; never a value.
      type: list
      elements: dict
      contains:
        name: {description: The variable or the kind of secret., type: str}
        place: {description: "V(ENV), V(ARG) or V(history).", type: str}
    root: {description: Whether containers run as root unless told otherwise., type: bool}
    multi_stage:
      description: Whether the build had several stages, as far as it can be told.
      type: dict
      contains:
        verdict: {description: "V(likely), V(unlikely) or V(unknown).", type: str}
        because: {description: What that rests on., type: str}
    analysed: {description: "Whether the files were looked at; if not, what follows is absent or empty.", type: bool}
    advice:
      description: What would make the image smaller, the change that saves most first.
      type: list
      elements: dict
      contains:
        saves: {description: Bytes., type: int}
        kind: {description: What it is about., type: str}
        layer: {description: The layer it concerns most., type: int}
        finding: {description: What is the matter., type: str}
        change: {description: What to change in the Dockerfile., type: str}
    files: {description: How many files a container of the image sees., type: int}
    wasted:
      description: What later layers overwrite or delete, and which yet travels with the image.
      type: dict
      contains:
        bytes: {description: Bytes that nobody can see., type: int}
        percent: {description: Their share of the unpacked size., type: float}
        all_versions:
          description: The figure that dive calls wasted, which counts the last version of such files as well.
          type: int
        largest:
          description: The largest such files, with the layer that holds them and the one that hides them.
          type: list
          elements: dict
    largest_files: {description: "The largest files, with their layer.", type: list, elements: dict}
    largest_directories:
      description: The largest directories; one that mostly consists of one other directory gives way to that.
      type: list
      elements: dict
    leftovers:
      description: Caches, build tools, tests and the like, by kind, with bytes, files and layers.
      type: list
      elements: dict
    duplicates:
      description: Content of 4 kB or more that lies in the image more than once.
      type: dict
      contains:
        bytes: {description: Bytes of all copies but one., type: int}
        largest: {description: "The costliest, with paths and layers.", type: list, elements: dict}
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ..module_utils.imagegate.answer import ARGUMENT_SPEC, answer
from ..module_utils.results import conclude

# As the docker command has them.
FALLBACKS = {"docker_host": "DOCKER_HOST", "tls": "DOCKER_TLS_VERIFY"}


def main() -> None:
    """Judge, and fail when a check does that is to fail."""
    fallbacks = {
        option: {**ARGUMENT_SPEC[option], "fallback": (env_fallback, [name])} for option, name in FALLBACKS.items()
    }
    module = AnsibleModule(
        argument_spec={**ARGUMENT_SPEC, **fallbacks},
        supports_check_mode=True,
        mutually_exclusive=[("images", "project", "archive"), ("reference", "reference_project")],
        required_one_of=[("images", "project", "archive")],
        required_together=[("client_cert", "client_key")],
    )
    conclude(module, answer(module.params))


if __name__ == "__main__":
    main()
