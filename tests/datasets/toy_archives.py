"""Archives for the tests, made in memory."""

import io
import zipfile


def zipped(members, *, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


TOY = {
    "toy/r.tab": b"7\t30\t5\t100\n7\t10\t3\t101\n9\t30\t4\t102\n",
    "toy/i.bar": "10|Fa\xe7ade (1990)|x\n30|Zoo, The (1991)|y\n99|Never rated|z\n".encode(
        "latin-1"
    ),
}
