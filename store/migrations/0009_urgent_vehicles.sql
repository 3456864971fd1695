-- Vehicles whose faults have just changed are evaluated before those whose mileage has.

alter table touched add column urgent boolean not null default false;
comment on column touched.urgent is 'a fault has come, gone or got worse since it was last evaluated';
comment on column touched.touched_at is 'since when it waits';
