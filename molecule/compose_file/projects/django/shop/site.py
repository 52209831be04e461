"""One page: the version, and how often beat was heard."""

from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

VERSION = "1"


def home(request):
    from shop.models import Tick

    return JsonResponse({"version": VERSION, "ticks": Tick.objects.count()})


urlpatterns = [path("", home)]
application = get_wsgi_application()
