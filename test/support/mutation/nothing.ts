// Stands for what the specifications fake anyway, and would load a database driver for every mutant.
export {};
