"""FFCV's loading thread with its traps guarded."""

import queue

from torch import Tensor

from zfpipe.beton.guarded_ffcv import EpochIterator


class GuardedEpoch(EpochIterator):
    """FFCV's loading thread, but an exception in it is raised where the batches are used, and it can be stopped."""

    failure: BaseException | None = None

    def run(self) -> None:
        """The thread's work."""
        try:
            super().run()
        except BaseException as error:
            self.failure = error
            self.output_queue.put(None)

    def __next__(self) -> tuple[Tensor, ...]:
        if self.closed:  # FFCV would wait for ever
            raise RuntimeError("this epoch was stopped: another was started, or its batches were closed")
        try:
            return super().__next__()
        except StopIteration:
            if self.failure is not None:
                raise RuntimeError("FFCV's loading thread failed") from self.failure
            raise

    def close(self) -> None:
        """Stops the thread, wherever it is, and waits for its end: at most for the batch it is making."""
        self.terminate_event.set()
        self.iter_ixes = iter(())  # FFCV looks at the event only while the queue is full, which it no longer is
        while self.is_alive():
            try:
                self.output_queue.get(timeout=0.05)
            except queue.Empty:
                continue
        super().close()
        self.closed = True
