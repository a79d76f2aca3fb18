"""What happens around the steps of a training: counting, showing, saving, ending. One file for each."""
