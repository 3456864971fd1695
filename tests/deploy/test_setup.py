"""Set-up: done once, healed when it was cut short, and plain about what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy import browser, runtime, setup
from deploy.assets import install_assets
from deploy.environment import install_packages
from deploy.progress import Progress, SetupError, Step
from deploy.runtime import bring_servers
from odocare.stack import place
from odocare.stack.place import find_place
from odocare.stack.servers import find_mosquitto, find_postgres

REPOSITORY = Path(__file__).parents[2]


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_an_old_python_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 9, 2))
        code = setup.main()
    assert code == 1
    assert "Python 3.11 or newer is needed" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["deploy.setup", "deploy.steps", "deploy.browser", "deploy.clean"])
def test_what_runs_before_anything_is_installed_needs_no_package(module: str) -> None:
    bare = [sys.executable, "-S", "-c", f"import {module}"]  # without site-packages
    done = subprocess.run(bare, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_step_is_one_line_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=2)
    with progress.step("first thing") as step:
        step.show("not a terminal, so nothing is drawn", 1, 2)
        step.result = "3 made"
    with pytest.raises(SetupError), progress.step("second thing"):
        raise SetupError("of the test")
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" (")[0] for line in lines] == [
        "[1/2] first thing: 3 made",
        "[2/2] second thing: failed",
    ]
    assert lines[0].endswith(" s)")


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    failing = program(tmp_path / "fetch", "for i in 1 2 3; do echo line $i; done; exit 7")
    seen: list[str] = []
    with pytest.raises(SetupError, match=r"fetch --all \.\.\.` failed:\n  line 1\n  line 2\n  line 3"):
        Step("fetching").run([failing, "--all"], on_line=seen.append)
    assert seen == ["line 1\n", "line 2\n", "line 3\n"]


def install(repository: Path) -> str:
    step = Step("packages")
    install_packages(repository, step)
    return step.result


def test_the_environment_is_made_once_and_anew_when_it_was_left_half_done(tmp_path: Path) -> None:
    (tmp_path / "requirements-dev.lock").write_text("# nothing is needed\n", encoding="utf-8")
    environment = tmp_path / ".venv"
    program(environment / "bin/python", "exit 1")  # killed while it was made
    assert install(tmp_path) == "0 installed"
    assert install(tmp_path) == "as locked"
    (environment / "unfinished").touch()  # killed while pip ran
    (environment / "packages.stamp").unlink()
    (environment / "half").touch()
    assert install(tmp_path) == "0 installed"
    assert not (environment / "half").exists()
    assert not (environment / "unfinished").exists()


def test_browser_assets_come_by_the_lock_file_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, folder = tmp_path / "repo", tmp_path / "assets"
    step = Step("assets")
    with pytest.raises(SetupError, match=r"api/package\.json and api/package-lock\.json .*is not there"):
        install_assets(repository, folder, step)
    (repository / "api").mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (repository / "api" / name).write_text("{}", encoding="utf-8")
    program(tmp_path / "bin/node", "")
    npm = program(tmp_path / "bin/npm", "echo no route to the registry; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with pytest.raises(SetupError, match="no route to the registry"):
        install_assets(repository, folder, step)
    program(npm, 'test "$1" = ci && ls package-lock.json && mkdir -p node_modules && echo run >> runs')
    for result in ("installed by the machine's npm", "as locked"):
        install_assets(repository, folder, step)
        assert step.result == result
    (repository / "api/package-lock.json").write_text('{"changed": 1}', encoding="utf-8")
    install_assets(repository, folder, step)
    assert (folder / "runs").read_text(encoding="utf-8") == "run\nrun\n"


def test_no_servers_are_brought_where_running_ones_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODOCARE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("ODOCARE_MQTT_URL", "mqtt://elsewhere")
    step = Step("servers")
    bring_servers(tmp_path, tmp_path / "home", step)
    assert step.result.startswith("not needed")
    assert not (tmp_path / "home").exists()


def test_without_apt_it_says_what_is_missing_and_how_to_name_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE", "MQTT"):
        monkeypatch.delenv(f"ODOCARE_{name}_URL", raising=False)
    monkeypatch.setattr(place, "OUTSIDE", tmp_path)  # pytest's folders are closed to the servers' user
    monkeypatch.setenv("PATH", "/nowhere")
    here = find_place(tmp_path / "home")
    if find_postgres(here.account, here.runtime).found and find_mosquitto(here.account, here.runtime).found:
        pytest.skip("this system has both servers of its own")
    with pytest.raises(SetupError) as refused:
        bring_servers(tmp_path, here.home, Step("servers"))
    said = str(refused.value)
    assert "is missing (" in said
    assert "no apt-get" in said
    assert "export ODOCARE_DATABASE_URL=postgresql://" in said
    assert "export ODOCARE_MQTT_URL=mqtt://" in said


def test_the_mirror_is_the_one_that_the_system_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = program(
        tmp_path / "apt-get", "echo http://security.example/debian-security; echo http://near.example/debian"
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert runtime._mirror(Step("mirror")) == "http://near.example/debian"
    program(apt, "echo http://archive.example/ubuntu")
    with pytest.raises(SetupError, match=r"no Debian mirror \(found: http://archive\.example/ubuntu\)"):
        runtime._mirror(Step("mirror"))


def test_the_time_zones_path_is_replaced_in_place_or_not_at_all(tmp_path: Path) -> None:
    postgres = tmp_path / runtime._BIN / "postgres"
    postgres.parent.mkdir(parents=True)
    config = b"--with-system-tzdata=/usr/share/zoneinfo'"
    postgres.write_bytes(b"\x7fELF" + config + b"\0/usr/share/zoneinfo\0tail")
    runtime._move_zones(tmp_path)
    assert postgres.read_bytes() == b"\x7fELF" + config + b"\0.//////////zoneinfo\0tail"
    with pytest.raises(SetupError, match="names its time zones 0 times"):
        runtime._move_zones(tmp_path)


def test_an_ordinary_user_gets_the_line_that_installs_the_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.main() == 0
    assert "sudo apt-get install -y --no-install-recommends chromium" in capsys.readouterr().out
