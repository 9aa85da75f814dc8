"""Write files and folders whole, and replace only what synthkd wrote.

paths          errors of the operating system; checks of places
marks          `.synthkd.json`, the mark of a folder
folder_kinds   what a corpus, a student, a critic … consists of
ownership      refuse to replace what synthkd did not write
temporary      temporary folders that survive no kill
files          replace a file; read JSON
folders        replace and remove a folder
"""

from synthkd.storage.files import parse_json, read_json, replaced_file, write_json, write_text
from synthkd.storage.folder_kinds import (
    CORPUS_FOLDER,
    CRITIC_FOLDER,
    FILTERED_FOLDER,
    FOLDER_KINDS,
    HASHES,
    ONNX_FOLDER,
    PROMPTS_FOLDER,
    STUDENT_FOLDER,
    FolderKind,
)
from synthkd.storage.folders import check_output, claim_folder, remove_folder, replaced_folder
from synthkd.storage.marks import (
    MARK,
    first_entry,
    foreign_to_mark,
    has_mark,
    has_temporary_mark,
    unlisted_file,
    write_mark,
    write_temporary_mark,
)
from synthkd.storage.ownership import (
    check_file,
    check_folder,
    has_columns,
    has_fields,
    has_text,
    sign_folder,
)
from synthkd.storage.paths import check_place, is_address, storage_errors, target_of
from synthkd.storage.temporary import (
    TemporaryFolder,
    clear_leftovers,
    clear_temporary,
    displaced_folder,
    is_temporary_folder,
    place_of,
)

__all__ = [
    "CORPUS_FOLDER",
    "CRITIC_FOLDER",
    "FILTERED_FOLDER",
    "FOLDER_KINDS",
    "HASHES",
    "MARK",
    "ONNX_FOLDER",
    "PROMPTS_FOLDER",
    "STUDENT_FOLDER",
    "FolderKind",
    "TemporaryFolder",
    "check_file",
    "check_folder",
    "check_output",
    "check_place",
    "claim_folder",
    "clear_leftovers",
    "clear_temporary",
    "displaced_folder",
    "first_entry",
    "foreign_to_mark",
    "has_columns",
    "has_fields",
    "has_mark",
    "has_temporary_mark",
    "has_text",
    "is_address",
    "is_temporary_folder",
    "parse_json",
    "place_of",
    "read_json",
    "remove_folder",
    "replaced_file",
    "replaced_folder",
    "sign_folder",
    "storage_errors",
    "target_of",
    "unlisted_file",
    "write_json",
    "write_mark",
    "write_temporary_mark",
    "write_text",
]
