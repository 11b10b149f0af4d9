"""FFCV's loading thread, with guards against hanging."""

import queue

from torch import Tensor

from zfpipe.beton.guarded_ffcv import EpochIterator


class GuardedEpoch(EpochIterator):
    """FFCV's loading thread that can be stopped, and passes its exceptions on to the user of the batches."""

    failure: BaseException | None = None

    def run(self) -> None:
        """Load the batches; keep an exception for `__next__`."""
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
        """Stop the thread and wait for its end, at most until the present batch is made."""
        self.terminate_event.set()
        self.iter_ixes = iter(())  # FFCV checks the event only while the queue is full
        while self.is_alive():
            try:
                self.output_queue.get(timeout=0.05)
            except queue.Empty:
                continue
        super().close()
        self.closed = True
