-- Bulk loads of history, so that the same file again adds nothing and one that was cut off goes on where it was.

create table load (
    id bigint generated always as identity primary key, -- in the place of `boot` in its segments, whose `life` is -1
    content text not null unique,   -- SHA-256 of the file, and of the VIN where the file does not name vehicles
    rows_n bigint not null,         -- in the file
    done_n bigint not null default 0, -- of them, from its beginning, stored or left out for good
    known_at timestamptz not null default now(),
    finished_at timestamptz
);
