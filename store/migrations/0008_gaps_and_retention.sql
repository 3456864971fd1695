-- Which numbers a vehicle never sent, the ledger folded into ranges, and how long what is kept.

create table boot_seen ( -- how far each boot's sequence numbers have come; boots below 0 (GB/T 32960) have none
    vehicle_id bigint not null,
    boot bigint not null,
    life smallint not null default 0, -- rises when the T-Box begins again under the same boot
    highest bigint not null,          -- number that was stored or refused in this life
    was bigint,                       -- `highest` before the last change; null: this boot was new
    known_at timestamptz not null,    -- newest arrival
    primary key (vehicle_id, boot)
) with (fillfactor = 70); -- updated all the time, no index on what changes

create table gap ( -- sequence numbers that were passed over: lost in the vehicle, or late
    id bigint generated always as identity primary key,
    vehicle_id bigint not null,
    boot bigint not null,
    life smallint not null,
    first_seq bigint not null,
    last_seq bigint not null,
    seen_at timestamptz not null, -- arrival of the message that passed them over
    closed_at timestamptz,        -- arrival of what was missing; null: it is missing still
    check (first_seq >= 0 and last_seq >= first_seq)
);
create unique index gap_open on gap (vehicle_id, boot, life, first_seq) where closed_at is null;
create index on gap (vehicle_id, id);

create table ledger_range ( -- what was folded out of `message`: numbers instead of rows
    vehicle_id bigint not null,
    boot bigint not null,
    life smallint not null,
    day date not null, -- UTC, of the event
    numbers int8multirange not null,
    others int8multirange not null, -- those of them whose kind is not `signals`
    first_at timestamptz not null,  -- event time of the earliest and the latest: what lies outside was not among them
    last_at timestamptz not null,
    primary key (vehicle_id, boot, life, day)
);

create table retention_policy ( -- dated: of the rows of a kind, the latest that is valid counts
    kind text not null,
    valid_from date not null,
    keep_d integer check (keep_d > 0), -- null: without end
    reason text not null,
    primary key (kind, valid_from)
);
insert into retention_policy (kind, valid_from, keep_d, reason) values
    ('raw_frame', '2020-01-01', 30, 'long enough to correct a signal file and decode again'),
    ('raw_packet', '2020-01-01', 30, 'as raw_frame'),
    ('raw_answer', '2020-01-01', 30, 'as raw_frame'),
    ('message', '2020-01-01', 7, 'folded into ledger_range: doubles are told from then on by number and time'),
    ('message_gbt32960', '2020-01-01', 30, 'as raw_packet; terminals send again what is at most 7 days old'),
    ('segment', '2020-01-01', null, 'predictions read years'),
    ('reject', '2020-01-01', 180, 'half a year to put the cause right and replay'),
    ('gap_closed', '2020-01-01', 90, 'late numbers that have come'),
    ('gap_open', '2020-01-01', 400, 'a year of losses can be compared'),
    ('evaluation', '2020-01-01', 400, 'the passes over the fleet'),
    ('identity', '2020-01-01', null, 'which software a vehicle had when'),
    ('ledger_range', '2020-01-01', null, 'without it old traffic that is sent again counts as new'),
    ('retention_run', '2020-01-01', 400, 'what was dropped when');

create table retention_run ( -- what a pass has dropped
    id bigint generated always as identity primary key,
    as_of timestamptz not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    report jsonb not null default '[]'
);
create index on retention_run (as_of desc);

-- Where the boots that are known stand, and what of them is missing.
with accepted as (
    select vehicle_id, boot, seq, known_at from message where boot >= 0
    union all
    select vehicle_id, boot, seq, known_at from reject where whole and vehicle_id is not null and boot >= 0
)
insert into boot_seen (vehicle_id, boot, highest, known_at)
select vehicle_id, boot, max(seq), max(known_at) from accepted group by vehicle_id, boot;

with accepted as (
    select distinct on (vehicle_id, boot, seq) vehicle_id, boot, seq, known_at
    from (
        select vehicle_id, boot, seq, known_at from message where boot >= 0
        union all
        select vehicle_id, boot, seq, known_at from reject where whole and vehicle_id is not null and boot >= 0
    ) a
    order by vehicle_id, boot, seq, known_at
), ordered as (
    select *, coalesce(lag(seq) over (partition by vehicle_id, boot order by seq), -1) as before from accepted
)
insert into gap (vehicle_id, boot, life, first_seq, last_seq, seen_at)
select vehicle_id, boot, 0, before + 1, seq - 1, known_at from ordered where seq > before + 1;
