"""A lab of one host for tests of its scheduler and its agent, and certificates of one authority.

Its machines have settings for Dask that would break it, as other work on them may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from asymm_deploy import cli
from asymm_deploy.lab.joining.certificates import Certificates
from tests.lab.bed import LabBed
from tests.phone.fixtures import missing

Said = tuple[int, str, str]
"""Exit code, stdout, stderr."""


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process."""

    def command(*words: object) -> Said:
        capfd.readouterr()
        code = cli.run([str(word) for word in words])
        said = capfd.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture(scope="package")
def authority() -> trustme.CA:
    """Who signs the certificates of the lab's members."""
    return trustme.CA()


@pytest.fixture(scope="package")
def member(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A member's files."""
    return written(authority, authority.issue_cert("member"), tmp_path_factory.mktemp("member"))


def written(authority: trustme.CA, cert: trustme.LeafCert, folder: Path) -> Certificates:
    """Write a certificate, its key and who is trusted."""
    files = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(files.authority)
    cert.cert_chain_pems[0].write_to_path(files.certificate)
    cert.private_key_pem.write_to_path(files.key)
    files.key.chmod(0o600)
    return files


@pytest.fixture(scope="package")
def write_certificate() -> Callable[[trustme.CA, trustme.LeafCert, Path], Certificates]:
    """Writes a certificate's files into a folder."""
    return written


@pytest.fixture(scope="package")
def bed(member: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabBed]:
    """A lab with TLS, one host and two phones, which tests leave as they found it."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("bed")
    bed = LabBed(folder, hosts=1, phones=2, files=member)
    set_up_dask(folder / "home", "distributed: [not: {YAML")
    set_up_dask(Path(bed.hosts[0].server.env["HOME"]), HARMFUL)
    with bed:
        bed.await_phones()
        yield bed


HARMFUL = """
distributed:
  comm: {tls: {ca-file: /nowhere, worker: {cert: /nowhere}}}
  logging: {distributed: debug}
  nanny: {preload: [no_such_module]}
  scheduler: {work-stealing: true}
  worker: {preload: [no_such_module], multiprocessing-method: spawn}
"""
"""Settings for work of others, with which nothing of a lab would start."""


def set_up_dask(home: Path, settings: str) -> None:
    """Have somebody's own settings for Dask where it looks for them."""
    (home / ".config/dask").mkdir(parents=True)
    (home / ".config/dask/own.yaml").write_text(settings)
