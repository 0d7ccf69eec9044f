"""`python -m twofold` is `twofold`; torchrun starts it this way."""

from twofold.cli.main import main

if __name__ == "__main__":
    main()
