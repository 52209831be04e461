"""What beat asks for every second, and a worker does."""

import os

import django
from celery import Celery

django.setup()
app = Celery("shop", broker=os.environ["CELERY_BROKER_URL"])
app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": 1.0}}
app.conf.task_ignore_result = True


@app.task(name="tick")
def tick():
    from shop.models import Tick

    Tick.objects.create()
