-- A maker's own fault codes, laid over those that ship; what a row leaves null is taken from there, or implied.
create table dtc_meaning (
    code text primary key, -- as people spell it: P1234, P1234-11 with its failure type, SPN 980 FMI 9
    maker text not null default '', -- whose list it stands in
    standard text not null,
    severity severity not null,
    family text,
    drivability text,
    zh text not null,
    en text not null,
    advice_zh text,
    advice_en text,
    known_at timestamptz not null default now()
);
