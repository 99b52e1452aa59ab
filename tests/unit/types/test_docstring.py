from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._types._classes import doc_of
from kimi_async._types._docstring import read_docstring


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        pytest.param(None, "", {}, id="none"),
        pytest.param("", "", {}, id="empty"),
        pytest.param("Find it.", "Find it.", {}, id="one-line"),
        pytest.param("Find it.\n\n    Anywhere.\n    ", "Find it.\n\nAnywhere.", {}, id="two"),
        pytest.param(
            """Find it.

            Args:
                city: Where to
                    look.

                    With care.
                limit (dict[str, int], optional): How many: a lot.
                *rest: Not a parameter.
                empty:
                (odd): Not an entry.
                    Nor is this.

            Returns:
                city: Not a parameter.
            """,
            "Find it.",
            {"city": "Where to look. With care.", "limit": "How many: a lot."},
            id="google",
        ),
        pytest.param(
            "Arguments:\n    a: A.\n\nTail.\n    b: Not any more.",
            "",
            {"a": "A."},
            id="no-description",
        ),
        pytest.param(
            """Find it.

            :param city: Where to
                look.
            :param int limit: How many.
            :returns: Their names.
                limit: no.
            :param: nothing
            :raises KeyError: Never.

            Tail.
                Not of anything.
            """,
            "Find it.",
            {"city": "Where to look.", "limit": "How many."},
            id="reST",
        ),
        pytest.param(
            "Note: this is text.\nArgs: so is this.",
            "Note: this is text.\nArgs: so is this.",
            {},
            id="prose",
        ),
        pytest.param(
            ":class:`Foo`: a place.\n:func:`find` looks. See :ref:`x`:\nmore.",
            ":class:`Foo`: a place.\n:func:`find` looks. See :ref:`x`:\nmore.",
            {},
            id="roles",
        ),
        pytest.param(
            "Find.\n\n:meta private:\n:param:`x`: a role\n:keyword a:\n    A.\n:ivar int b: B.",
            "Find.",
            {"a": "A.", "b": "B."},
            id="other-fields",
        ),
        pytest.param(
            "Find.\n\nKeyword Args:\n    a: A.\n\nOther Parameters:\n    b: B.\n\nWarns:\n    c: C.",
            "Find.",
            {"a": "A.", "b": "B."},
            id="keyword-args",
        ),
        pytest.param(
            "A place.\n\nAttributes:\n    a: A.", "A place.", {"a": "A."}, id="attributes"
        ),
        pytest.param("Find.\n\nRaises:\n    KeyError: Never.", "Find.", {}, id="other-section"),
        pytest.param(
            "按城市查找。\n\nArgs:\n  city: 城市", "按城市查找。", {"city": "城市"}, id="Chinese"
        ),
        pytest.param(
            "Args:\n        a: A.\n            More.\n        b: B.\n    ",
            "",
            {"a": "A. More.", "b": "B."},
            id="no-summary",
        ),
        pytest.param(
            "Args:\n        a: A.\n\n    Returns:\n        b: No.\n    ",
            "",
            {"a": "A."},
            id="no-summary-and-another-section",
        ),
        pytest.param(
            ":param a: A\n        and more.\n    :param b: B.\n    ",
            "",
            {"a": "A and more.", "b": "B."},
            id="no-summary-reST",
        ),
        pytest.param(
            "Find.\n\n:param a: A\nand more.\n\n    And more.\n\nTail.\n:returns: It\nall.",
            "Find.",
            {"a": "A and more. And more."},
            id="lazy-reST",
        ),
        pytest.param("Find.\n\n@param a: A.\n@return: It.", "Find.", {"a": "A."}, id="epytext"),
        pytest.param(
            "Find.\n\nArgs:\n    - a: A.\n    * b (int): B.\n      More.\n    • c - C.\n    -d: No.",
            "Find.",
            {"a": "A.", "b": "B. More.", "c": "C."},
            id="list",
        ),
        pytest.param(
            "Find.\n\nArgs:\n    `a`: A.\n    ``b`` (int): B.\n    **c**: C.\n    - `d` -- D.\n    *e: No.",
            "Find.",
            {"a": "A.", "b": "B.", "c": "C.", "d": "D."},
            id="marked",
        ),
        pytest.param(
            "Find.\n\n:Parameters:\n    a, b: Both.\n    a: Not this.\n",
            "Find.",
            {"a": "Both.", "b": "Both."},
            id="several",
        ),
        pytest.param(
            """Find it.

            Parameters
            ----------
            city : str
                Where to
                look.

            a, b : int, optional
                Both.
            no type
                Nothing.
            free
                Free.

                More.

            Returns
            -------
            city : str
                Not a parameter.
            """,
            "Find it.",
            {"city": "Where to look.", "a": "Both.", "b": "Both.", "free": "Free. More."},
            id="numpy",
        ),
        pytest.param(
            "Parameters:\n    ===========\n    a : int\n        A.\n",
            "",
            {"a": "A."},
            id="no-summary-numpy",
        ),
    ],
)
def test_what_a_docstring_says(
    text: str | None, description: str, parameters: dict[str, str]
) -> None:
    assert read_docstring(text) == (description, parameters)


@given(st.text() | st.text("Args:param \n\t()*ab"))
def test_any_text_is_read(text: str) -> None:
    description, parameters = read_docstring(text)
    assert description == description.strip()
    assert all(said and "\n" not in said for said in parameters.values())


def test_a_docstring_that_is_made_when_it_is_read() -> None:
    """That of a dataclass is, since Python 3.15; it is the signature, which says nothing new."""

    class Signature:
        def __get__(self, _: None, owner: type) -> str:
            return f"{owner.__name__}(x: int)"

    class Words(Signature):
        def __get__(self, _: None, owner: type) -> str:
            return "A place."

    assert doc_of(type("Place", (), {"__doc__": Signature()})) == ""
    assert doc_of(type("Place", (), {"__doc__": Words()})) == "A place."
