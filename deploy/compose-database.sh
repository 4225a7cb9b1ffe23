# Run once by the postgres image, when its volume is empty: a database whose owner is no superuser. The superuser then
# has no password: it is reached by the socket in the container only (docker compose exec -u postgres postgres psql).
psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 <<'SQL'
\getenv password POSTGRES_PASSWORD
create role eduflow login nosuperuser password :'password';
create database eduflow owner eduflow;
revoke all on database eduflow from public;
alter role postgres password null;
SQL
