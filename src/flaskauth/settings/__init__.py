"""What can be set, from the environment or `.env`: one frozen object that refuses to exist while anything is wrong."""

from flaskauth.settings.fields import Network, is_loopback
from flaskauth.settings.model import Settings, SettingsError, names
from flaskauth.settings.reading import with_driver

__all__ = ["Network", "Settings", "SettingsError", "is_loopback", "names", "with_driver"]
