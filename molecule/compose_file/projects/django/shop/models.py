from django.db import models


class Tick(models.Model):
    """What beat asked for, and a worker did."""

    at = models.DateTimeField(auto_now_add=True)
