"""The regions of UN M49 and the countries of ISO 3166."""

import sqlalchemy as sa
from alembic import op

from flaskauth.places.service import seed_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER, TEXT = sa.Integer(), sa.String()
PLACE = (("id", NUMBER), ("code", TEXT), ("name", TEXT))
REGIONS = sa.table("regions", *(sa.column(*each) for each in (*PLACE, ("parent_id", NUMBER))))
COUNTRIES = sa.table("countries", *(sa.column(*each) for each in (*PLACE, ("region_id", NUMBER))))


def upgrade() -> None:
    regions, countries = seed_rows()
    for region in regions:  # one by one: a parent must stand before its children
        op.execute(REGIONS.insert().values(region))
    op.bulk_insert(COUNTRIES, countries)


def downgrade() -> None:
    op.execute(COUNTRIES.delete())
    op.execute(REGIONS.update().values(parent_id=None))
    op.execute(REGIONS.delete())
