DROP TABLE energy_readings;
