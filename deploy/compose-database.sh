# Run once by the postgres image, when its volume is empty: a database whose owner is no superuser, and the login
# of `eduflow sql`, which EduFlow lets read its tables and nothing else. The superuser then has no password: it is
# reached by the socket in the container only (docker compose exec -u postgres postgres psql).
psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 <<'SQL'
\getenv password POSTGRES_PASSWORD
create role eduflow login nosuperuser password :'password';
create role eduflow_reader login nosuperuser password :'password';
create database eduflow owner eduflow;
revoke all on database eduflow from public;
grant connect on database eduflow to eduflow_reader;
alter role postgres password null;
SQL
