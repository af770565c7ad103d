#!/bin/sh
# Makes deploy/secrets, once: a file for each secret that deploy/compose.yaml names. Write the password for the mail
# server into mail_password; keep a copy of secret_key apart from the backups of the database.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir secrets  # fails where they have been made: other secrets would lock out what uses these
cd secrets

new() {
    # Letters and digits: they stand in URLs, in SQL and in a configuration file.
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

# Containers have users of their own who read them; on this machine only the owner of the folder comes so far.
chmod 644 ./*
