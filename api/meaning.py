"""What a stored fault's code means, out of the bilingual table."""

from store.vehicle_page import Fault
from vehicle.dtc import Dtc, DtcStandard
from vehicle.dtc_table import DtcMeaning, DtcTable


def meaning_of(table: DtcTable, fault: Fault) -> DtcMeaning:
    """Meaning, severity and advice in both languages; unknown codes have a default that says so."""
    return table.lookup(
        Dtc(
            standard=DtcStandard(fault.standard),
            ecu=fault.ecu,
            code=fault.code,
            ftb=fault.ftb,
            spn=fault.spn,
            fmi=fault.fmi,
        )
    )
