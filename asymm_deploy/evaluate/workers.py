"""The processes that put images through engines: started, fed, and replaced where one dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from asymm_deploy.errors import HarnessError
from asymm_deploy.evaluate import image_worker
from asymm_deploy.evaluate.image_worker import Work, Worked, chunk_of, seconds_of
from asymm_deploy.evaluate.lane import EvaluatedModel
from asymm_deploy.evaluate.prediction import Unreadable
from asymm_deploy.export.jobs import fork_server_context
from asymm_deploy.safe import excerpt
from asymm_deploy.signals import holding_back_ctrl_c

DEADLY = "the process that ran it died: an engine crashed, or memory ran out"
_DEATHS = 3
"""In a row, before any image went well: then it is no image's fault."""
_MOST_DEATHS = 32
"""In a row later."""


class Workers:
    """Runs chunks in processes."""

    def __init__(self, model: EvaluatedModel, root: Path, scratch: Path, jobs: int) -> None:
        """Take where images are, and a folder for the samples of other devices."""
        self._model = model
        self._root = root
        self._scratch = scratch
        self._jobs = jobs
        self._deaths = 0
        """How many processes have died in a row, each alone with one image."""
        self._any_lived = False

    def samples_of(self, work: Work) -> Path:
        """Return the file with a chunk's samples."""
        return self._scratch / f"{work.first}.bin"

    def run(self, todo: Sequence[Work]) -> Iterator[tuple[Work, Worked]]:
        """Yield each chunk as it ends, not in order.

        An image whose process dies each time is none that can be read, and says so. Raises
        HarnessError if processes die whatever the image, and what the engines' loading raises.
        """
        rest = list(todo)
        while rest:
            suspects: list[Work] = []
            done: set[int] = set()
            with self._pool(min(self._jobs, len(rest)), rest) as pool:
                for work, worked in self._through(pool, rest, suspects):
                    done.add(work.first)
                    self._deaths, self._any_lived = 0, True
                    yield work, worked
            for work in suspects:  # one of them, or all, if memory ran out
                yield work, self._carefully(work)
            done |= {work.first for work in suspects}
            rest = [work for work in rest if work.first not in done]

    def _through(
        self, pool: ProcessPoolExecutor, todo: Sequence[Work], suspects: list[Work]
    ) -> Iterator[tuple[Work, Worked]]:
        """Yield what ends well; put what was under way when a process died into ``suspects``."""
        rest = iter(todo)
        running: dict[Future[Worked], Work] = {}
        try:
            while True:
                while len(running) < 2 * self._jobs and (work := next(rest, None)) is not None:
                    running[self._submitted(pool, work)] = work
                if not running:
                    return
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(ended, key=lambda each: each.exception() is not None):
                    worked = future.result()  # what ended well comes first, lest it be lost
                    yield running.pop(future), worked
        except BrokenProcessPool:
            suspects += running.values()

    def _submitted(self, pool: ProcessPoolExecutor, work: Work) -> Future[Worked]:
        try:
            with holding_back_ctrl_c():  # a process that is started hears it, too
                return pool.submit(image_worker.run_chunk, self._root, work, self.samples_of(work))
        except (OSError, EOFError) as error:  # what starts them was killed, or there may be no more
            why = getattr(error, "strerror", None) or error
            raise HarnessError(
                f"can't start a process for the images: {why}",
                "repeat the command, with fewer --jobs: it goes on where it stopped",
            ) from error

    def _carefully(self, work: Work) -> Worked:
        """Run a chunk in a process of its own; if that dies, each half of it, down to an image."""
        whole = self._alone(work)
        if whole is not None:
            if whole.read:
                self._deaths, self._any_lived = 0, True
            return whole
        if len(work.images) == 1:
            (image,) = work.images
            self._count_death(image.name)
            return self._joined(work, [], (Unreadable(image.name, DEADLY, may_pass=True),))
        half = len(work.images) // 2
        parts = [
            Work(work.first, work.images[:half], work.lanes),
            Work(work.first + half, work.images[half:], work.lanes),
        ]
        # The first has the file of samples of the whole: it is read before the whole is written.
        found = []
        for part in parts:
            made = self._carefully(part)
            samples = self.samples_of(part)
            # Who died may have left some of them.
            whole_file = made.read and samples.exists()
            found.append((made, samples.read_bytes() if whole_file else b""))
        joined = self._joined(work, [made for made, _ in found])
        if any(map(self._is_phones, work.lanes)):
            self.samples_of(work).write_bytes(b"".join(content for _, content in found))
        return joined

    def _count_death(self, image: str) -> None:
        self._deaths += 1
        if self._deaths >= (_MOST_DEATHS if self._any_lived else _DEATHS):
            raise HarnessError(
                f"the processes that run the images die, the last one with {excerpt(image)}: "
                "an engine crashed, or memory ran out",
                "repeat the command with --jobs 1, or leave an engine out with --engine: it goes "
                "on where it stopped",
            )

    def _alone(self, work: Work) -> Worked | None:
        """Return what a new process makes of a chunk; None if it dies."""
        with self._pool(1, [work]) as pool:
            try:
                return self._submitted(pool, work).result()
            except BrokenProcessPool:
                return None

    def _joined(
        self, work: Work, parts: Sequence[Worked], dead: Sequence[Unreadable] = ()
    ) -> Worked:
        """Return the results of a chunk's parts as the chunk's."""
        read = tuple(each for found in parts for each in found.read)
        unreadable = (*(each for found in parts for each in found.unreadable), *dead)
        joined = Worked({}, read, unreadable)
        for lane in work.lanes:
            if not self._is_phones(lane):
                chunks = [found.chunks[lane] for found in parts]
                said = [each for chunk in chunks for each in chunk.predictions]
                joined.chunks[lane] = chunk_of(work, joined, said, seconds_of(chunks))
        return joined

    def _is_phones(self, lane: int) -> bool:
        return not self._model.lanes[lane].is_here and lane not in self._model.emulated

    @contextmanager
    def _pool(self, count: int, todo: Sequence[Work]) -> Iterator[ProcessPoolExecutor]:
        lanes = sorted({lane for work in todo for lane in work.lanes})
        pool = ProcessPoolExecutor(
            count,
            fork_server_context(),
            initializer=image_worker.begin,
            initargs=(self._model, lanes),
        )
        try:
            yield pool
        except BaseException:  # nobody waits for what is under way
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            raise
        pool.shutdown()
