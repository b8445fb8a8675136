from alembic.config import Config
from alembic.script import ScriptDirectory

from crossmarket.store.schema import REVISIONS


def test_the_known_revisions_are_those_of_the_migrations():
    config = Config()
    config.set_main_option("script_location", "crossmarket:store/migrations")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
