-- Segments packed: raw integers by column, with shapes that messages share. docs/decisions/0023-packed-segments.md

create table segment_shape ( -- what the bytes of a group mean; never changed, never deleted
    id integer generated always as identity primary key,
    hash bytea not null unique,   -- SHA-256 of all the rest
    source smallint,              -- J1939 address of the frames' sender; null: none, or not known
    holed boolean not null,       -- an integer whose bits are all ones is no value
    signal smallint[] not null,   -- rising; what follows is of each of them
    width smallint[] not null,    -- bytes; 8: the float64 itself, all ones is no value
    base bigint[] not null,       -- value = (((u + base) * scale + "offset") * factor + shift) / divisor
    scale double precision[] not null,
    "offset" double precision[] not null,
    factor double precision[] not null,
    shift double precision[] not null,
    divisor double precision[] not null
);

create function segment_integer(body bytea, at integer, width integer) returns bigint
language sql immutable strict parallel safe
begin atomic
    -- unsigned, big-endian; of eight bytes in two's complement
    select ('x' || lpad(encode(substr(body, at + 1, width), 'hex'), 16, '0'))::bit(64)::bigint;
end;

create function segment_float(bits bigint) returns double precision
language plpgsql immutable strict parallel safe as $$
declare
    exponent integer := (bits >> 52) & 2047;
    fraction bigint := bits & 4503599627370495;
    size double precision;
begin
    -- a float64 out of its bits; powers of two in steps that neither overflow nor underflow
    if exponent = 2047 then
        size := case when fraction = 0 then 'Infinity' else 'NaN' end;
    elsif exponent = 0 then
        size := fraction::double precision * power(2.0::double precision, -537) * power(2.0::double precision, -537);
    elsif exponent < 1000 then
        size := (fraction + 4503599627370496)::double precision * power(2.0::double precision, exponent - 538)
            * power(2.0::double precision, -537);
    else
        size := (fraction + 4503599627370496)::double precision * power(2.0::double precision, exponent - 1075);
    end if;
    return case when bits < 0 then -size else size end;
end
$$;

create function segment_values(body bytea)
returns table (source smallint, signal smallint, dt_us bigint, value double precision)
language plpgsql stable strict parallel safe rows 100 as $$
declare
    shape segment_shape;
    at integer := 0;
    head bigint;
    n integer;
    times integer;
    time_width integer;
    times_at integer;
    time_at integer;
    width integer;
    raw bigint;
    none bigint;
    base bigint;
    scale double precision;
    start double precision;
    factor double precision;
    shift double precision;
    divisor double precision;
begin
    -- the layout of a body is written down in store/bodies.py
    while at < length(body) loop
        select * into strict shape from segment_shape s where s.id = segment_integer(body, at, 4);
        head := segment_integer(body, at + 4, 4);
        n := head & 268435455;
        times := head >> 28;
        time_width := (array[0, 4, 8, 4, 8])[times + 1];
        times_at := at + 8;
        at := times_at + time_width * n * case when times >= 3 then cardinality(shape.signal) else 1 end;
        source := shape.source;
        for k in 1 .. cardinality(shape.signal) loop
            signal := shape.signal[k];
            width := shape.width[k];
            none := case when shape.holed and width < 8 then (1::bigint << 8 * width) - 1 else -1 end;
            base := shape.base[k];
            scale := shape.scale[k];
            start := shape."offset"[k];
            factor := shape.factor[k];
            shift := shape.shift[k];
            divisor := shape.divisor[k];
            time_at := times_at + case when times >= 3 then (k - 1) * n * time_width else 0 end;
            for i in 0 .. n - 1 loop
                raw := case width
                    when 1 then get_byte(body, at)
                    when 2 then get_byte(body, at) << 8 | get_byte(body, at + 1)
                    else segment_integer(body, at, width)
                end;
                at := at + width;
                continue when raw = none;
                value := case when width = 8 then segment_float(raw)
                    else (((raw + base)::double precision * scale + start) * factor + shift) / divisor end;
                dt_us := case when time_width = 0 then 0
                    else segment_integer(body, time_at + i * time_width, time_width) end;
                return next;
            end loop;
        end loop;
    end loop;
end
$$;

create table segment_packed ( -- one row per message, and one more if a refused part of it is replayed later
    vehicle_id bigint not null,
    at timestamptz not null,       -- of the first sample
    boot bigint not null,
    seq bigint not null,
    span_ms integer not null,      -- to the last sample, rounded up: a day at most, so that reads can be bounded
    codebook_id integer,
    life smallint not null,
    body bytea not null,           -- `segment_values`; store/bodies.py
    check (span_ms between 0 and 86400000)
);
alter table segment_packed alter column body set compression lz4;
select create_hypertable('segment_packed', by_range('at', interval '7 days'), create_default_indexes => false);

-- every signal of an earlier segment becomes a group of float64, each with its own times
insert into segment_shape (hash, holed, signal, width, base, scale, "offset", factor, shift, divisor)
select sha256(
           int2send(-1::smallint) || '\x00' || int2send(1::smallint) || int2send(number) || int2send(8::smallint)
           || int8send(0) || float8send(1) || float8send(0) || float8send(1) || float8send(0) || float8send(1)
       ),
       false, array[number], '{8}', '{0}', '{1}', '{0}', '{1}', '{0}', '{1}'
from (select distinct unnest(signal) as number from segment) as signals
order by number;

create temporary table shape_of (number smallint primary key, id integer not null) on commit drop;
insert into shape_of select signal[1], id from segment_shape;
analyze shape_of;

insert into segment_packed (vehicle_id, at, boot, seq, span_ms, codebook_id, life, body)
select s.vehicle_id, s.at, s.boot, s.seq, ceil(extract(epoch from s.until - s.at) * 1000)::integer, s.codebook_id,
       s.life, b.body
from segment s
cross join lateral (
    select string_agg(int4send(g.id) || int4send((2 << 28) | g.n) || g.times || g.numbers, ''::bytea order by g.k) as body
    from (
        select p.k, p.id, count(*)::integer as n, string_agg(int8send(v.dt_us), ''::bytea order by v.o) as times,
               string_agg(float8send(v.value), ''::bytea order by v.o) as numbers
        from (
            select u.k, h.id, row_number() over (order by u.k) as o
            from unnest(s.signal, s.samples) with ordinality as u (number, n, k)
            join shape_of h using (number)
            cross join lateral generate_series(1, u.n)
        ) p
        join unnest(s.dt_us, s.value) with ordinality as v (dt_us, value, o) using (o)
        group by p.k, p.id
    ) g
) b
where b.body is not null;

drop view observation;
drop table segment;
alter table segment_packed rename to segment;
alter table segment rename constraint segment_packed_span_ms_check to segment_span_ms_check;
create index segment_vehicle_at on segment (vehicle_id, at desc);

create view observation as
select s.vehicle_id, s.at + make_interval(secs => v.dt_us / 1e6) as at, g.path, g.unit, v.value, v.source,
       s.boot, s.life, s.seq
from segment s
cross join lateral segment_values(s.body) v
join signal g on g.number = v.signal;
