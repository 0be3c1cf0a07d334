-- Supabase's roles as a project has them. Roles belong to the server: run this once.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

-- Supabase calls this one "postgres". It applies migrations and is no superuser; here that name is the superuser's.
create role shop_owner login createdb createrole bypassrls password 'a password: with / and @';
grant anon, authenticated, service_role to shop_owner with admin option;
