# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for a Dokploy server: its API as v0.30 behaves, quirks included, over the real docker compose.

It keeps everything in memory, needs PyYAML and the docker command, and is for tests alone.
Run it with `python3 -m standin_dokploy --help` from the directory above.
"""
