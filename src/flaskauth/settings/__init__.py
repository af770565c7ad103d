"""Settings from the environment and `.env`, validated as a whole and immutable."""

from flaskauth.settings.fields import Network, is_loopback
from flaskauth.settings.loading import with_driver
from flaskauth.settings.model import Settings, SettingsError, setting_names

__all__ = ["Network", "Settings", "SettingsError", "is_loopback", "setting_names", "with_driver"]
