"""Settings from the environment and a file, validated as a whole and immutable."""

from flaskauth.settings.fields import Network, is_domain, is_loopback, origin_of
from flaskauth.settings.installation import InstallationNotFound, require_database, require_installation
from flaskauth.settings.loading import DEFAULT_ENV_FILES, find_env_file, find_value_files, with_driver
from flaskauth.settings.model import Settings, SettingsError, setting_names

__all__ = [
    "DEFAULT_ENV_FILES",
    "InstallationNotFound",
    "Network",
    "Settings",
    "SettingsError",
    "find_env_file",
    "find_value_files",
    "is_domain",
    "is_loopback",
    "origin_of",
    "require_database",
    "require_installation",
    "setting_names",
    "with_driver",
]
