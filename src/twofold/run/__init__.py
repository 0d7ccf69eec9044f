"""The run file: one readable source file that runs any parameters file."""
