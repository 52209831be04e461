# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's own Compose files, read into the stack description.

Compose itself resolves them (`config.py`); what is here decides what each service becomes.
"""
