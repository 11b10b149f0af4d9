"""Test a user's boxes of parts: read, matched with the images, refused in one line."""

import re
from pathlib import Path

import pytest

from zfpipe.errors import UserError
from zfpipe.index.images import Box, Entry
from zfpipe.pictures.parts import read_parts, with_parts

HEAD = "image,part,x0,y0,x1,y1\n"
ENTRIES = [Entry("train", 0, "dog", "dog/1.jpg", 40, 30), Entry("train", 0, "dog", "dog/2.jpg", None, None)]


def test_parts_join_their_images(tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_text(HEAD + "dog/1.jpg,nose,10,12.5,20,30\ndog/1.jpg,left eye,1,2,3,4\ndog/2.jpg,nose,1,1,900,900\n")
    one, two = with_parts(ENTRIES, read_parts(path))
    assert one.parts == {"nose": Box(10, 12.5, 20, 30), "left eye": Box(1, 2, 3, 4)}
    assert two.parts == {"nose": Box(1, 1, 900, 900)}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("image,part,x,y,w,h\n", "the first line must be image,part,x0,y0,x1,y1"),
        ("", "the first line must be image,part,x0,y0,x1,y1"),
        (HEAD + "dog/1.jpg,nose,1,2,3\n", "line 2: 5 columns; must be 6"),
        (HEAD + "dog/1.jpg,nose,1,2,3,x\n", "line 2: 1,2,3,x; must be four numbers of pixels"),
        (HEAD + "dog/1.jpg,nose,1,2,inf,4\n", "line 2: 1,2,inf,4; x0 must be less than x1"),
        (HEAD + "dog/1.jpg,nose,3,2,3,4\n", "line 2: 3,2,3,4; x0 must be less than x1"),
        (HEAD + "dog/1.jpg,nose,1,2,3,4\ndog/1.jpg,nose,1,2,3,4\n", "line 3: part 'nose' of 'dog/1.jpg'; must have a"),
        (HEAD + "dog/1.jpg,,1,2,3,4\n", "line 2: part '' of 'dog/1.jpg'; must have a name"),
        (HEAD + "\ndog/1.jpg,nose,1,2\n", "line 3: 4 columns; must be 6"),
        (HEAD + f"dog/1.jpg,{'n' * 200_000},1,2,3,4\n", "line 2: field larger than field limit"),
        (HEAD + "dog/2.jpg,nose,-1,2,3,4\n", "nose of dog/2.jpg lies beyond the image"),
        (HEAD + "dog/1.jpg,nose,1,2,3,31\n", "nose of dog/1.jpg lies beyond the image, 40x30 pixels"),
        (HEAD + "dog/1.jpg,nose,1,2,41,4\n", "nose of dog/1.jpg lies beyond the image, 40x30 pixels"),
        (
            HEAD + "cat/1.jpg,nose,1,2,3,4\n",
            "names 1 images that the set does not have, the first 'cat/1.jpg'; must be paths",
        ),
    ],
)
def test_a_wrong_file_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(line)) as error:
        list(with_parts(ENTRIES, read_parts(path)))
    assert "\n" not in str(error.value)


def test_a_table_written_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_text("\ufeff" + HEAD.replace("\n", "\r\n") + 'dog/1.jpg,"nose",1,2,3,4\r\n\r\n', newline="")
    assert read_parts(path) == {"dog/1.jpg": {"nose": Box(1, 2, 3, 4)}}


def test_an_archive_is_not_an_image() -> None:
    """Every image in an archive has the archive's path, so that the path names no single image."""
    archived = [Entry("train", 0, "dog", "train.tar", 40, 30, offset, 99) for offset in (512, 1024)]
    with pytest.raises(UserError, match=r"the first 'train.tar'; must be paths of files"):
        list(with_parts(archived, {"train.tar": {"nose": Box(1, 2, 3, 4)}}))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not found; it must lie in pictures\.root"):
        read_parts(tmp_path / "parts.csv")
