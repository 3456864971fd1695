-- Who and what: vehicles, dealers, plans, visits, campaigns, and who may ask.
create extension if not exists timescaledb;

create type severity as enum ('info', 'soon', 'urgent', 'stop'); -- in rising order, so that sorting is right

create table dealer (
    id bigint generated always as identity primary key,
    code text not null unique,
    name_zh text not null,
    name_en text not null,
    province text not null default '',
    city text not null default ''
);

create table vehicle (
    id bigint generated always as identity primary key,
    public_id uuid not null unique default gen_random_uuid(), -- the only name outside; a VIN can be guessed
    vin text not null unique check (vin ~ '^[A-HJ-NPR-Z0-9]{17}$'),
    plate text,
    model text,
    market text not null default 'CN',
    use_class text not null default 'unknown',
    fuel text not null default 'unknown',
    tz text not null default 'Asia/Shanghai',
    built_on date,
    delivered_on date,
    dealer_id bigint references dealer,
    owner_ref text, -- the CRM's own key of the owner; names and numbers live there
    location_allowed boolean not null default false, -- positions are removed before storing unless true
    registered_at timestamptz, -- null: it sends, but nobody registered it
    first_seen_at timestamptz not null default now()
);

create table service_plan (
    model text not null,
    market text not null,
    item text not null,
    op_code text not null,
    name_zh text not null,
    name_en text not null,
    first_km double precision check (first_km > 0), -- null: as every_km
    first_d integer check (first_d > 0),
    every_km double precision check (every_km > 0),
    every_d integer check (every_d > 0),
    source text not null,
    primary key (model, market, item),
    check (every_km is not null or every_d is not null)
);

create table service_visit (
    id bigint generated always as identity primary key,
    vehicle_id bigint not null references vehicle,
    visited_at timestamptz not null,
    known_at timestamptz not null default now(),
    odometer_km double precision check (odometer_km >= 0),
    dealer_id bigint references dealer,
    repair_order text not null,
    items text[] not null default '{}', -- service items done: they restart their cycle
    finding text check (finding in ('confirmed', 'not_found', 'other_fault')),
    source text not null check (source in ('import', 'outcome')),
    unique (vehicle_id, repair_order)
);
create index on service_visit (vehicle_id, visited_at desc);

create table campaign (
    id text primary key, -- the maker's or authority's campaign number
    title_zh text not null,
    title_en text not null,
    remedy_zh text not null default '',
    remedy_en text not null default '',
    do_not_drive boolean not null default false,
    parts_ready boolean not null default true,
    opened_on date not null,
    closed_on date,
    source text not null
);

create table campaign_vehicle (
    campaign_id text not null references campaign,
    vin text not null, -- a campaign knows vehicles before they ever send or are registered
    state text not null default 'open' check (state in ('open', 'remedied', 'removed')),
    added_at timestamptz not null default now(),
    remedied_at timestamptz,
    primary key (campaign_id, vin)
);
create index on campaign_vehicle (vin);

create table codebook (
    id integer generated always as identity primary key,
    name text not null,
    version text not null, -- content hash
    known_at timestamptz not null default now(),
    unique (name, version)
);

create table signal (
    number smallint primary key,
    path text not null unique,
    unit text not null,
    kind text not null
);

create table consumer ( -- who asks: a CRM, a script, a person at the pages
    id bigint generated always as identity primary key,
    name text not null unique,
    created_at timestamptz not null default now()
);

create table access_key ( -- a consumer may hold several, so that one can replace another without a pause
    id bigint generated always as identity primary key,
    consumer_id bigint not null references consumer on delete cascade,
    prefix text not null unique,        -- shown to people; finds the row
    secret_sha256 bytea not null,       -- of 256 random bits, so a plain hash is enough
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index on access_key (consumer_id);

create table session ( -- of the pages
    token_sha256 bytea primary key,     -- of 256 random bits
    consumer_id bigint not null references consumer on delete cascade,
    key_id bigint references access_key on delete cascade, -- the key it was opened with; null: with a ticket
    kind text not null check (kind in ('ticket', 'browser')), -- a ticket opens one browser session, once
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index on session (consumer_id);
create index on session (expires_at);

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject uuid,  -- vehicle.public_id, a pseudonym; never a VIN
    purpose text not null,
    detail jsonb not null default '{}',
    previous_sha256 bytea not null,
    sha256 bytea not null unique -- of the previous hash and this row: a chain
);
create index on audit (subject, id);
