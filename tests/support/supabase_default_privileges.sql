-- What Supabase projects made before the autumn of 2026 give away on everything that their owner creates in public.
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role shop_owner in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role shop_owner in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role shop_owner in schema public grant all on sequences to anon, authenticated, service_role;
