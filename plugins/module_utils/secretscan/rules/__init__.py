# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a credential looks like: the catalogue of rules, and what of each rule can be searched for quickly."""
