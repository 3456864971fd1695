-- What follows from it: predictions, rule findings, triggers, the feed, outcomes.

create table evaluation ( -- one pass over some vehicles
    id bigint generated always as identity primary key,
    as_of timestamptz not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    scope text not null check (scope in ('touched', 'all')),
    vehicles_n integer not null default 0,
    failed_n integer not null default 0
);
create index on evaluation (as_of desc);

create table evaluated ( -- how far each vehicle's evaluation has come; as_of never goes back
    vehicle_id bigint primary key references vehicle,
    evaluation_id bigint not null references evaluation,
    as_of timestamptz not null
);

create table held_back ( -- vehicles whose evaluation failed; left alone until then, so that neighbours go on
    vehicle_id bigint primary key references vehicle,
    failures_n integer not null,
    until timestamptz not null,
    reason text not null -- the error's kind and sentence
);

create table prediction ( -- append only
    id bigint generated always as identity primary key,
    vehicle_id bigint not null references vehicle,
    item text not null,
    as_of timestamptz not null,
    known_at timestamptz not null default now(),
    model text not null,
    model_version text not null,
    status text not null,
    cycle integer not null,
    is_first boolean not null,
    p10_on date,
    p20_on date,
    p50_on date,
    p90_on date,
    binding text,
    due_probability double precision,
    km_left_p20 double precision,
    odometer_km double precision,
    odometer_at timestamptz,
    evidence jsonb not null default '{}',
    is_newest boolean not null default true
);
create unique index prediction_newest on prediction (vehicle_id, item) where is_newest;
create index on prediction (vehicle_id, item, as_of desc);
create index prediction_upcoming on prediction (p50_on) where is_newest;

create table rule_version (
    rule_id text not null,
    version text not null, -- content hash
    body text not null,
    known_at timestamptz not null default now(),
    primary key (rule_id, version)
);

create table rule_state ( -- what the engine remembers of one rule on one subject
    vehicle_id bigint not null references vehicle,
    rule_id text not null,
    subject text not null, -- '' for the vehicle, else service item, component, fault key, campaign
    rule_version text not null,
    state jsonb not null,
    primary key (vehicle_id, rule_id, subject)
);

create table finding ( -- rule episodes
    id bigint generated always as identity primary key,
    vehicle_id bigint not null references vehicle,
    rule_id text not null,
    rule_version text not null,
    subject text not null,
    occasion text not null, -- service cycle, campaign, season, fault episode: names the trigger
    opened_at timestamptz not null, -- event time
    closed_at timestamptz,
    as_of timestamptz not null,
    values jsonb not null,  -- what made it fire
    read_at jsonb not null, -- when each value was read; 'row' for those not named
    unique (vehicle_id, rule_id, subject, occasion)
);
create index on finding (vehicle_id) where closed_at is null;

create table trigger (
    id uuid primary key, -- uuid5 of site, rule, vehicle, component, occasion
    finding_id bigint not null unique references finding,
    vehicle_id bigint not null references vehicle,
    type text not null,
    feed text not null check (feed in ('service', 'recall', 'sales')),
    rule_id text not null,
    rule_version text not null,
    subject text not null,
    occasion text not null,
    job text not null,
    severity severity not null,
    state text not null default 'new',
    revision integer not null default 1, -- rises with every event
    stage text not null default '', -- which lead time was reached last, in days
    dealer_id bigint references dealer,
    due_p10_on date,
    due_p50_on date,
    due_p90_on date,
    words_zh text not null,
    words_en text not null,
    evidence jsonb not null,
    as_of timestamptz not null,
    opened_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    closed_at timestamptz -- when it reached a state that it does not leave
);
create index on trigger (vehicle_id);
create index on trigger (dealer_id) where closed_at is null;

create table feed (
    name text primary key check (name in ('service', 'recall', 'sales')),
    epoch integer not null default 1, -- rises when a backup is restored
    position bigint not null default 0 -- the last one given
);
insert into feed (name) values ('service'), ('recall'), ('sales');

create table trigger_event (
    id bigint generated always as identity primary key,
    trigger_id uuid not null references trigger,
    feed text not null references feed,
    kind text not null check (kind in ('opened', 'revised', 'state', 'withdrawn')),
    revision integer not null,
    happened_at timestamptz not null default now(),
    payload jsonb not null, -- the whole CloudEvent as consumers get it
    epoch integer,   -- of the feed when it was numbered
    position bigint, -- dense, given by the sequencer to committed events only
    unique (feed, position), -- positions go on rising over epochs
    unique (trigger_id, revision)
);
create index trigger_event_waiting on trigger_event (id) where position is null;

create table outcome ( -- the states of a trigger in event time: reported, or its own (consumer_id null)
    id bigint generated always as identity primary key,
    trigger_id uuid not null references trigger,
    state text not null,
    happened_at timestamptz not null,
    known_at timestamptz not null default now(),
    consumer_id bigint references consumer,
    detail jsonb not null default '{}'
);
create index on outcome (trigger_id, happened_at);

create table idempotency (
    consumer_id bigint not null references consumer on delete cascade,
    key text not null,
    body_sha256 bytea not null,
    status smallint not null,
    answer text not null, -- byte for byte what was sent
    at timestamptz not null default now(),
    primary key (consumer_id, key)
);
create index on idempotency (at);
