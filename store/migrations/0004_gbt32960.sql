-- GB/T 32960.3: packets as received, and which terminal may speak for a vehicle.
-- In message, segment, fault_report and fault_event a packet's row has boot < 0, a hash of its data unit, and as seq its
-- time in microseconds with edition and command in them: it has no sequence number, so it makes no gap.

create table raw_packet ( -- kept 30 days, as raw_frame
    vehicle_id bigint not null,
    at timestamptz not null,   -- the packet's own time
    boot bigint not null,
    life smallint not null,
    seq bigint not null,
    edition smallint not null, -- 2016 or 2025
    command smallint not null, -- 1 login, 2 report, re-issued or not, 4 logout
    has_alarms boolean not null,
    body bytea not null        -- the data unit; without positions where the vehicle's location is off
);
select create_hypertable('raw_packet', by_range('at', interval '1 day'), create_default_indexes => false);
create index raw_packet_vehicle_at on raw_packet (vehicle_id, at desc);

alter table vehicle add column iccid text check (iccid ~ '^[0-9A-Za-z]{1,20}$'); -- of the SIM card it may log in with
