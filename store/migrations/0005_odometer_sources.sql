-- What each source of odometer readings showed, day by day; the true odometer of a vehicle; anomalies by source.

create table odometer_day ( -- as shown, in km; every column merges the same in any order of arrival
    vehicle_id bigint not null,
    day date not null,        -- the vehicle's local day
    source smallint not null, -- `vehicle.odometer`: 0 before sources were told, 1 signals, 2 can, 3 gbt32960, 4 diagnostic,
                              -- 5 high-resolution, 256 + address FEE0, 512 + address FEC1
    first_km double precision,
    first_at timestamptz,
    last_km double precision,
    last_at timestamptz,
    low_km double precision,  -- lowest and highest, each with its first moment: an exchange can lie inside a day
    low_at timestamptz,
    high_km double precision,
    high_at timestamptz,
    within_m bigint not null default 0, -- risen inside messages whose speed is known throughout
    speed_m bigint not null default 0,  -- the speed of those messages, integrated
    readings_n bigint not null default 0,
    glitches_n bigint not null default 0, -- left out: half a second later the counter showed something else
    glitch_at timestamptz,              -- the first of them
    glitch_km double precision,
    settled_km double precision,        -- what it showed half a second later
    known_at timestamptz not null,
    primary key (vehicle_id, day, source)
) with (fillfactor = 80);

insert into odometer_day (
    vehicle_id, day, source, first_km, first_at, last_km, last_at, low_km, low_at, high_km, high_at, readings_n, known_at
)
select vehicle_id, day, 0, odometer_first_km, odometer_first_at, odometer_last_km, odometer_last_at,
    least(odometer_first_km, odometer_last_km),
    case when odometer_last_km < odometer_first_km then odometer_last_at else odometer_first_at end,
    greatest(odometer_first_km, odometer_last_km),
    case when odometer_last_km > odometer_first_km then odometer_last_at else odometer_first_at end,
    1, known_at
from vehicle_day where odometer_first_km is not null;

-- From here on these are true kilometres since new, written by the evaluation; ingest writes odometer_day.
comment on column vehicle_day.odometer_first_km is 'true kilometres since new, cleaned, at the first reading that counts';
comment on column vehicle_day.odometer_last_km is 'true kilometres since new, cleaned, at the last reading that counts';

create table odometer ( -- where each vehicle stands: km = shown_km * km_per_shown + offset_km
    vehicle_id bigint primary key references vehicle,
    km double precision not null,          -- true kilometres since new
    at timestamptz not null,
    source smallint not null,              -- as in odometer_day; -1: a workshop's reading
    shown_km double precision not null,    -- as the source showed it
    km_per_shown double precision not null, -- 1.609344 where a source that should tell km tells miles
    offset_km double precision not null,
    epoch integer not null                 -- 0, rises with every exchange, rollover and unit switch
);

alter table anomaly add column source text not null default '';
alter table anomaly add column until_at timestamptz; -- last reading it is about; null: only the one
alter table anomaly add column readings_n integer not null default 1; -- readings that do not count because of it
alter table anomaly drop constraint anomaly_vehicle_id_kind_happened_at_key;
alter table anomaly add unique (vehicle_id, kind, happened_at, source);

alter table touched add column cleaned boolean not null default false; -- of a vehicle that nobody registered: its odometer is done

insert into touched (vehicle_id, from_day)
select vehicle_id, min(day) from vehicle_day group by vehicle_id
on conflict (vehicle_id) do update set from_day = least(touched.from_day, excluded.from_day), touched_at = now();
