"""Every client profile format that this console writes."""

from __future__ import annotations

from provisioning.profiles.baresip import Baresip
from provisioning.profiles.base import Renderer
from provisioning.profiles.linphone import Linphone
from provisioning.profiles.rtc import Rtc

RENDERERS: dict[str, Renderer] = {
    "linphone": Linphone(),
    "baresip": Baresip(),
    "rtc": Rtc(),
}
