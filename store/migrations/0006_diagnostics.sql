-- Diagnostics: conversations over ISO-TP, lists of fault codes, clears, what ECUs say about themselves.

alter table transport_carry alter column carry drop not null; -- J1939; null: none is unfinished
alter table transport_carry add column isotp bytea;           -- ISO 15765-2: payloads and unanswered requests
alter table transport_carry add check (carry is not null or isotp is not null);

alter table fault_report add column scope smallint;  -- status bits that a list is about; null: all
alter table fault_report add column cleared integer; -- no report but a tester's clear of this group; 16777215 is all

create table identity ( -- what ECUs said about themselves; every column merges the same in any order of arrival
    vehicle_id bigint not null references vehicle,
    ecu text not null,
    kind text not null, -- vin, component, part-number, serial, supplier, hardware, software, calibration, ...
    value text not null, -- several texts are joined by ', '
    day date not null, -- UTC; one row per value and day, so that a change back is seen
    happened_at timestamptz not null, -- first time on that day
    until_at timestamptz not null,    -- last time on that day
    known_at timestamptz not null,    -- first arrival
    primary key (vehicle_id, ecu, kind, value, day)
);

create table raw_answer ( -- the answers of a diag message, kept so that a corrected file of identifiers can read them
    vehicle_id bigint not null,
    at timestamptz not null,
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    codebook_id integer,
    answers bytea not null -- MessagePack: [[dt_us, ecu, payload, request or nil], ...]
);
select create_hypertable('raw_answer', by_range('at', interval '1 day'), create_default_indexes => false);
create index raw_answer_vehicle_at on raw_answer (vehicle_id, at desc);
