# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page that visitors see while no release serves."""

from __future__ import annotations

# Its style is inline because nothing else of the site can be had meanwhile.
MAINTENANCE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back shortly</title>
<style>
  :root { color-scheme: light dark }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.1rem/1.6 system-ui, sans-serif }
  main { padding: 2rem; text-align: center }
</style>
<main>
  <h1>Back shortly</h1>
  <p>This site is being updated. Please try again in a moment.</p>
</main>
</html>
"""
