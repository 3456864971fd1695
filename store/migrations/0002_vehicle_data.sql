-- What vehicles send: the ledger, decoded segments, raw frames, latest state, daily features, faults, refusals.

create table message ( -- the ledger: one row per accepted message
    vehicle_id bigint not null, -- no foreign key, here and below where rows come by the thousand: it would lock the vehicle
    boot bigint not null,
    life smallint not null default 0, -- rises when a T-Box reuses (boot, seq) with another body: its counter was reset
    seq bigint not null,
    kind text not null,
    happened_at timestamptz not null,
    known_at timestamptz not null,
    body_hash bigint not null, -- BLAKE2b of 8 bytes over the body as received
    body_bytes integer not null,
    primary key (vehicle_id, boot, seq, life)
);

create table segment ( -- one row per message, and one more if a refused part of it is replayed later
    -- sample k of signal i stands behind those of the signals before it
    vehicle_id bigint not null,
    at timestamptz not null,          -- of the first sample
    until timestamptz not null,       -- of the last; a message spans a day at most, so that reads can be bounded
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    codebook_id integer,
    signal smallint[] not null,       -- rising
    samples integer[] not null,       -- per signal
    dt_us bigint[] not null,          -- per sample, from `at`
    value double precision[] not null, -- per sample, in the catalogue's unit
    check (until >= at and until - at <= interval '1 day')
);
select create_hypertable('segment', by_range('at', interval '7 days'), create_default_indexes => false);
create index segment_vehicle_at on segment (vehicle_id, at desc);
alter table segment alter column dt_us set compression lz4;
alter table segment alter column value set compression lz4;

create view observation as
select s.vehicle_id, s.at + make_interval(secs => d.dt_us / 1e6) as at, g.path, g.unit, d.value, s.boot, s.life, s.seq
from segment s
cross join lateral (
    select n.number, o.dt_us, o.value
    from (
        select u.number, u.n, sum(u.n) over (order by u.k) - u.n as before
        from unnest(s.signal, s.samples) with ordinality as u (number, n, k)
    ) n
    cross join lateral unnest(
        s.dt_us[n.before + 1 : n.before + n.n], s.value[n.before + 1 : n.before + n.n]
    ) as o (dt_us, value)
) d
join signal g on g.number = d.number;

create table raw_frame ( -- the frames of one message as received; columns little-endian as on the wire
    vehicle_id bigint not null,
    at timestamptz not null,
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    codebook_id integer,
    dt_us bytea not null,   -- uint32
    can_id bytea not null,  -- uint32, bit 31 = extended
    bus bytea not null,     -- uint8
    length bytea not null,  -- uint8
    data bytea not null     -- payloads, concatenated
);
select create_hypertable('raw_frame', by_range('at', interval '1 day'), create_default_indexes => false);
create index raw_frame_vehicle_at on raw_frame (vehicle_id, at desc);

create table latest (
    vehicle_id bigint primary key references vehicle,
    seen_at timestamptz not null,  -- newest event time
    known_at timestamptz not null, -- newest arrival
    signal smallint[] not null,
    at timestamptz[] not null,
    value double precision[] not null
) with (fillfactor = 70); -- updated all the time, no index on what changes: room for it on the same page

create table vehicle_day ( -- daily features; every column merges the same in any order of arrival
    vehicle_id bigint not null references vehicle,
    day date not null, -- the vehicle's local day
    odometer_first_km double precision,
    odometer_first_at timestamptz,
    odometer_last_km double precision,
    odometer_last_at timestamptz,
    starts_n integer not null default 0, -- crankings: samples of the cranking voltage
    crank_min_v double precision,
    rest_v double precision,        -- highest voltage seen at rest
    ambient_min_degc double precision,
    ambient_max_degc double precision,
    coolant_max_degc double precision,
    oil_life_pct double precision,  -- lowest
    engine_min_h double precision,  -- lowest and highest reading of the hour meter: the difference is the day's hours
    engine_max_h double precision,
    samples_n bigint not null default 0,
    known_at timestamptz not null,
    primary key (vehicle_id, day)
) with (fillfactor = 80);

create table transport_carry ( -- unfinished J1939 transport sessions at the end of a message; no row: none
    vehicle_id bigint not null,
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    carry bytea not null,
    primary key (vehicle_id, boot, life, seq)
);

create table fault_report ( -- when ECUs reported, one row per message, ECU and run of equal reports
    vehicle_id bigint not null,
    standard text not null,
    ecu text not null,
    happened_at timestamptz not null, -- first report of the run
    until_at timestamptz not null,    -- last report of the run
    known_at timestamptz not null,
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    run integer not null,             -- ordinal within the message, over all its ECUs
    complete boolean not null,        -- true heals this ECU's codes that have no fault_event in the run
    mil boolean,
    primary key (vehicle_id, ecu, standard, happened_at, boot, life, seq, run)
);
create index on fault_report (vehicle_id, boot, life, seq);

create table fault_event ( -- what a run of reports said about a code
    id bigint generated always as identity primary key,
    vehicle_id bigint not null,
    standard text not null,
    ecu text not null,
    code text not null,
    ftb smallint,
    spn integer,
    fmi smallint,
    happened_at timestamptz not null, -- of the run
    until_at timestamptz not null,    -- of the run
    onset_at timestamptz,             -- when the ECU saw it; null: it does not say
    known_at timestamptz not null,
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    run integer not null,
    present boolean not null,         -- false: named with a status that says it is not there (cleared, test passed)
    status smallint,
    occurrences integer,
    mil boolean,
    freeze_frame jsonb not null default '{}'
);
create index on fault_event (vehicle_id, ecu, standard, happened_at);
create index on fault_event (vehicle_id, boot, life, seq);

create table fault ( -- episodes: the fold of fault_report and fault_event in event order
    id bigint generated always as identity primary key,
    vehicle_id bigint not null references vehicle,
    standard text not null,
    ecu text not null,
    code text not null,
    ftb smallint,
    spn integer,
    fmi smallint,
    episode integer not null, -- ordinal per vehicle, ECU and code, from 1
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    ended_at timestamptz,
    ended_why text check (ended_why in ('healed', 'cleared')), -- absent from a complete report; cleared by a tester
    status smallint,
    confirmed boolean not null, -- status bit 3 at least once; always, where the standard has no status
    occurrences integer not null default 1, -- the ECU's own highest count
    mil boolean,
    severity severity not null,
    family text not null default '',
    freeze_frame jsonb not null default '{}',
    known_at timestamptz not null,
    unique nulls not distinct (vehicle_id, ecu, standard, code, ftb, episode)
);
create index on fault (vehicle_id) where ended_at is null;

create table anomaly (
    id bigint generated always as identity primary key,
    vehicle_id bigint not null references vehicle,
    happened_at timestamptz not null,
    known_at timestamptz not null default now(),
    kind text not null,
    before double precision,
    after double precision,
    reason text not null,
    unique (vehicle_id, kind, happened_at)
);

create table reject ( -- what could not be accepted, kept so that it can be replayed
    id bigint generated always as identity primary key,
    known_at timestamptz not null,
    vehicle_id bigint references vehicle,
    kind text not null,             -- of the topic, or 'broker' for what the broker itself refused
    reason text not null,           -- a fixed word, for counting
    detail text not null,           -- a sentence, without VIN or position
    boot bigint,                    -- where the envelope could be read
    seq bigint,
    body_hash bigint not null,      -- of topic and body: the same bytes again are a double
    body_bytes integer,             -- null: the broker kept them and does not say
    sealed bytea,                   -- topic and body, encrypted; null where the broker kept them
    whole boolean not null default true, -- false: only part of the message was refused, the rest is stored
    replayed_at timestamptz,
    unique (body_hash, kind, whole)
);
create index on reject (known_at);

create table touched ( -- vehicles whose data changed since they were last evaluated
    vehicle_id bigint primary key references vehicle,
    from_day date not null,   -- earliest local day that changed
    touched_at timestamptz not null default now()
) with (fillfactor = 70);
