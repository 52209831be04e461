# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Named volumes, before the containers that mount them."""

from __future__ import annotations

from ..errors import StepError
from ..stack import Service, Volume
from .run import Run


def ensure(run: Run, service: Service) -> None:
    """The named volumes of a service are there; a new one belongs to the service's user.

    Raises:
        StepError: One that is external is not there.
    """
    user = service.user.partition(":")[0]
    for volume in service.volumes:
        if volume.named:
            owner = volume.uid if volume.uid is not None else (int(user) if user.isdigit() else None)
            _volume(run, service, volume, owner)


def _volume(run: Run, service: Service, volume: Volume, owner: int | None) -> None:
    name = run.stack.volume(volume)
    if volume.external and not run.engine.volume_path(name):
        raise StepError(
            f"stack_services.{service.name}.volumes: {name} is external, and the server has no volume of that name",
            advice=f"Make it with docker volume create {name}, or leave out external.",
        )
    # One with a driver's options is made by Compose: they may hold what no command line should show.
    if not volume.external and not volume.driver_opts and not volume.driver:
        run.engine.ensure_volume(name, owner)
