"""correspondence: test whether hiding the same part of several faces changes features alike (Fig. 8, Table 1).

Section 4.3. Reads zfnet's weights, the validation beton and the index's boxes of parts. Writes correspondence/:
consistency.csv, pairs.parquet (every pair of faces), untrained.parquet (the same with random weights), images.json
and images.npy (image, mask, y, x, 3; mask 0 hides nothing), or else unavailable.txt. Costs twenty seconds on two
cores with the default parameters.
"""

from zfpipe import params, paths, stage, unavailable
from zfpipe.probes import correspondence
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    subject = Subject.open(settings)
    unavailable.save(paths.CORRESPONDENCE, lambda: correspondence.run(subject, settings.correspondence))


if __name__ == "__main__":
    stage.run(main)
