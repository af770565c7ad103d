#!/bin/sh
# Create deploy/secrets, once, with a file for each secret that deploy/compose.yaml names. Then write the password of the
# mail server into mail_password. Keep a copy of secret_key, separately from the backups of the database.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir secrets  # fails if the secrets exist: new values would lock out the services that use the old ones
cd secrets

new() {
    # Only letters and digits, because the secrets are used in URLs, in SQL and in a configuration file.
    LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 48
}

serving=$(new) migrations=$(new) redis=$(new)
new > secret_key
new > metrics_token
new > root_password
printf %s "$serving" > serving_password
printf %s "$migrations" > migrations_password
printf 'mysql://flaskauth:%s@database/flaskauth' "$serving" > database_url
printf 'mysql://flaskauth_migrations:%s@database/flaskauth' "$migrations" > migrations_url
printf 'redis://:%s@redis:6379/0' "$redis" > redis_url
printf 'requirepass %s\n' "$redis" > redis.conf
printf a-password-for-mail > mail_password

# Users inside the containers read these files. On the host, the folder's mode restricts access to its owner.
chmod 644 ./*
