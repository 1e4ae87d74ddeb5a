"""Lifts a `torch.nn.Module` into a spec: traced once without memory, written with blocks, compared with the module.

tracing.py, functions.py, modules.py, axes.py   a run on meta tensors -> calls of operators
named.py, compositions.py, contraction.py, …    functions of PyTorch, by what they are said
fusion.py, moves.py, constants.py               calls that together are one operator
graphs.py, initialisation.py                    calls -> graph
structure.py, marks.py, naming.py, usual.py     graph -> items
templates.py, parameters.py, blocks.py, …       modules of one class -> a block with parameters
document.py, decompile.py                       items -> text
lift.py                                         all of it, and the proof
"""

from archc.lifting.constructors import Constructors as Constructors
from archc.lifting.lift import Lifted as Lifted
from archc.lifting.lift import lift as lift
