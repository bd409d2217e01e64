"""How a winner of the gate goes live: in shadow first, judged by evidence, rolled back when it burns its budget."""
