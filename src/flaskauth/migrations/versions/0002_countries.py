"""Insert the regions of UN M49 and the countries of ISO 3166."""

import sqlalchemy as sa
from alembic import op

from flaskauth.countries.service import load_seed_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER, TEXT = sa.Integer(), sa.String()
COMMON_COLUMNS = (("id", NUMBER), ("code", TEXT), ("name", TEXT))
REGIONS = sa.table("regions", *(sa.column(*column) for column in (*COMMON_COLUMNS, ("parent_id", NUMBER))))
COUNTRIES = sa.table("countries", *(sa.column(*column) for column in (*COMMON_COLUMNS, ("region_id", NUMBER))))


def upgrade() -> None:
    regions, countries = load_seed_rows()
    op.bulk_insert(REGIONS, regions)  # in their order: a parent precedes its children
    op.bulk_insert(COUNTRIES, countries)


def downgrade() -> None:
    op.execute(COUNTRIES.delete())
    op.execute(REGIONS.update().values(parent_id=None))
    op.execute(REGIONS.delete())
