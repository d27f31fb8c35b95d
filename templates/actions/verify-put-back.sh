# Puts back what was taken out of service.
back
