# The MariaDB image runs this script when its volume is empty. It creates the database and the two users of
# docs/operations/production.md.
mariadb -uroot -p"$(cat "${SECRETS:=/run/secrets}/root_password")" <<SQL
CREATE DATABASE flaskauth CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER flaskauth@'%' IDENTIFIED BY '$(cat "$SECRETS/serving_password")';
GRANT SELECT, INSERT, UPDATE, DELETE ON flaskauth.* TO flaskauth@'%';
CREATE USER flaskauth_migrations@'%' IDENTIFIED BY '$(cat "$SECRETS/migrations_password")';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES
    ON flaskauth.* TO flaskauth_migrations@'%';
SQL
