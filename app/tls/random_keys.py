"""Private keys and serial numbers from the randomness of the operating system."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec


class RandomKeys:
    """The key source of a running process."""

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """A new private key on the curve P-256."""
        return ec.generate_private_key(ec.SECP256R1())

    def serial_number(self) -> int:
        """A random serial number."""
        return x509.random_serial_number()
